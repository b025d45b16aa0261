SELECT category, AVG(final)
FROM (
    SELECT MAX(B.price) AS final, A.category
    FROM auction A, bid B
    WHERE A.id = B.auction AND B.clock BETWEEN A.clock AND A.expires
    GROUP BY A.id, A.category
)
GROUP BY category
