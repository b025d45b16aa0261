SELECT
    B.auction, B.bidder, B.price, B.channel, B.url, B.time_ms, B.extra,
    A.id, A.item_name, A.description, A.initial_bid, A.reserve, A.time_ms, A.expires_ms, A.seller,
    A.category, A.extra
FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id
WHERE A.category = 10
