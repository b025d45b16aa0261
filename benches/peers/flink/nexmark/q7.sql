SELECT M.window_start, M.window_end, B.auction, B.bidder, B.price, B.channel, B.url, B.time_ms, B.extra
FROM bid B
JOIN (
    SELECT MAX(price) AS highest, window_start, window_end
    FROM TUMBLE(TABLE bid, DESCRIPTOR(clock), INTERVAL '10' SECOND)
    GROUP BY window_start, window_end
) M
ON B.price = M.highest
WHERE B.clock >= M.window_start AND B.clock < M.window_end
