SELECT bidder, unix_millis(session_window.start), unix_millis(session_window.end), COUNT(*)
FROM bid
GROUP BY bidder, session_window(clock, '10 seconds')
