SELECT
    auction,
    date_format(clock, 'yyyy-MM-dd') AS day,
    COUNT(*),
    COUNT(*) FILTER (WHERE price < 10000),
    COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000),
    COUNT(*) FILTER (WHERE price >= 1000000),
    MIN(price),
    MAX(price),
    SUM(price) DIV COUNT(*),
    SUM(price)
FROM bid
GROUP BY auction, date_format(clock, 'yyyy-MM-dd')
