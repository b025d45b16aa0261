SELECT auction, price, time_ms, bidder
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, clock ASC) AS place
    FROM bid
)
WHERE place <= 10
