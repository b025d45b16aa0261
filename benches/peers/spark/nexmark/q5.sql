WITH counts AS (
    SELECT auction, window, COUNT(*) AS bids
    FROM bid
    GROUP BY auction, window(clock, '10 seconds', '2 seconds')
)
SELECT unix_millis(C.window.start), unix_millis(C.window.end), C.auction, C.bids
FROM counts AS C
INNER JOIN (SELECT window, MAX(bids) AS bids FROM counts GROUP BY window) AS M
ON C.window = M.window AND C.bids = M.bids
