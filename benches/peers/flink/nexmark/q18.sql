SELECT bidder, auction, auction, bidder, price, channel, url, time_ms, extra
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY clock DESC) AS place
    FROM bid
)
WHERE place <= 1
