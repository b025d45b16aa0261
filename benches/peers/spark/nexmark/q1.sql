SELECT auction, bidder, price * 908 DIV 1000, channel, url, time_ms, extra FROM bid
