from typing_extensions import disjoint_base

@disjoint_base
class TradeTape:
    count: int
    first_id: int
    last_id: int
    id_breaks: int
    flagged_count: int
    last_price_raw: int
    price_scale: int
    qty_scale: int
    def __init__(self) -> None: ...
    def volume_raw(self) -> int: ...

@disjoint_base
class KlineGate:
    frames: int
    late: int
    last_closed_open_ns: int
    def __init__(self) -> None: ...
