SELECT auction, bidder, price, channel, url, time_ms, extra, value
FROM bid INNER JOIN (SELECT id AS key, CAST(id AS STRING) AS value FROM range(10000))
ON auction % 10000 = key
