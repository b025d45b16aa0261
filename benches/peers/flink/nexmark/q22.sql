SELECT
    auction, bidder, price, channel, url, time_ms, extra,
    SPLIT_INDEX(url, '/', 3), SPLIT_INDEX(url, '/', 4), SPLIT_INDEX(url, '/', 5)
FROM bid
