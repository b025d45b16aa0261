SELECT *
FROM (
    SELECT
        auction, bidder, price, channel, url, time_ms, extra,
        CASE
            WHEN lower(channel) = 'apple' THEN '0'
            WHEN lower(channel) = 'google' THEN '1'
            WHEN lower(channel) = 'facebook' THEN '2'
            WHEN lower(channel) = 'baidu' THEN '3'
            ELSE nullif(regexp_extract(url, '(&|^)channel_id=([^&]*)', 2), '')
        END AS number
    FROM bid
)
WHERE number IS NOT NULL
