SELECT
    unix_millis(B.window.start), unix_millis(B.window.end),
    B.auction, B.bidder, B.price, B.channel, B.url, B.time_ms, B.extra
FROM (SELECT *, window(clock, '10 seconds') AS window FROM bid) AS B
INNER JOIN (SELECT window, MAX(price) AS price FROM bid GROUP BY window(clock, '10 seconds')) AS M
ON B.window = M.window AND B.price = M.price
