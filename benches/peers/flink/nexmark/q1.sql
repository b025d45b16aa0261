SELECT auction, bidder, price * 908 / 1000, channel, url, time_ms, extra FROM bid
