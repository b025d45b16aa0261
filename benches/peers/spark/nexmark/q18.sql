SELECT bidder, auction, last.*
FROM (
    SELECT
        bidder, auction,
        max_by(struct(auction, bidder, price, channel, url, time_ms, extra), clock) AS last
    FROM bid
    GROUP BY bidder, auction
)
