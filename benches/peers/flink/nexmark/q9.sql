SELECT id, item_name, seller, category, expires_ms, price, time_ms, bidder
FROM (
    SELECT
        A.id, A.item_name, A.seller, A.category, A.expires_ms, B.price, B.time_ms, B.bidder,
        ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.clock ASC) AS place
    FROM auction A, bid B
    WHERE A.id = B.auction AND B.clock BETWEEN A.clock AND A.expires
)
WHERE place <= 1
