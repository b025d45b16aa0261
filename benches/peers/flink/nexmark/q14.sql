SELECT
    auction, bidder, euros, channel, url, time_ms, extra,
    CASE
        WHEN HOUR(clock) >= 8 AND HOUR(clock) <= 18 THEN 'Day'
        WHEN HOUR(clock) <= 6 OR HOUR(clock) >= 20 THEN 'Night'
        ELSE 'Other'
    END,
    CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', ''))
FROM (SELECT *, price * 908 / 1000 AS euros FROM bid)
WHERE euros > 1000000 AND euros < 50000000
