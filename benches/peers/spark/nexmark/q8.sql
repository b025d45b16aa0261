SELECT unix_millis(P.window.start), unix_millis(P.window.end), P.id, P.name
FROM (SELECT id, name, window FROM person GROUP BY id, name, window(clock, '10 seconds')) AS P
INNER JOIN (SELECT seller, window FROM auction GROUP BY seller, window(clock, '10 seconds')) AS A
ON P.id = A.seller AND P.window = A.window
