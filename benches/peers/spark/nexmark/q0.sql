SELECT auction, bidder, price, channel, url, time_ms, extra FROM bid
