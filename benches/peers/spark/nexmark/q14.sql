SELECT
    auction, bidder, euros, channel, url, time_ms, extra,
    CASE
        WHEN hour(clock) >= 8 AND hour(clock) <= 18 THEN 'Day'
        WHEN hour(clock) <= 6 OR hour(clock) >= 20 THEN 'Night'
        ELSE 'Other'
    END,
    length(extra) - length(replace(extra, 'c', ''))
FROM (SELECT *, price * 908 DIV 1000 AS euros FROM bid)
WHERE euros > 1000000 AND euros < 50000000
