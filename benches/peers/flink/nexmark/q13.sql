SELECT B.auction, B.bidder, B.price, B.channel, B.url, B.time_ms, B.extra, S.`value`
FROM (SELECT *, PROCTIME() AS p_time FROM bid) AS B
INNER JOIN side_input FOR SYSTEM_TIME AS OF B.p_time AS S ON MOD(B.auction, 10000) = S.key
