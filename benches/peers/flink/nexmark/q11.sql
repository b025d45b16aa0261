SELECT bidder, window_start, window_end, COUNT(*)
FROM SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(clock), INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end
