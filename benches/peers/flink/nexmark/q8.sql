SELECT P.window_start, P.window_end, P.id, P.name
FROM (
    SELECT id, name, window_start, window_end
    FROM TUMBLE(TABLE person, DESCRIPTOR(clock), INTERVAL '10' SECOND)
    GROUP BY id, name, window_start, window_end
) P
JOIN (
    SELECT seller, window_start, window_end
    FROM TUMBLE(TABLE auction, DESCRIPTOR(clock), INTERVAL '10' SECOND)
    GROUP BY seller, window_start, window_end
) A
ON P.id = A.seller AND P.window_start = A.window_start AND P.window_end = A.window_end
