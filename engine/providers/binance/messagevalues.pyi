KLINE_INTERVALS_S: dict[bytes, int]
