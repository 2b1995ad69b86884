from typing import Any, Never, final

from engine.schema.order import OrderRequest

@final
class ApprovedOrder:
    """An order that risk let pass (ORDM-04). Nobody else can build one, copy one or read one back from bytes.

    Attributes:
        request: what was asked for.
        wire_order_id: its id at the venue, in the venue's spelling.
        reservation: risk's own, to be freed once.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Never:
        """Raises:
        MisuseError: always.
        """
    def __reduce__(self) -> Never: ...
    @property
    def request(self) -> OrderRequest: ...
    @property
    def wire_order_id(self) -> str: ...
    @property
    def reservation(self) -> object: ...
