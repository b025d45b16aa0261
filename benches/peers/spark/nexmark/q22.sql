SELECT
    auction, bidder, price, channel, url, time_ms, extra,
    split_part(url, '/', 4), split_part(url, '/', 5), split_part(url, '/', 6)
FROM bid
