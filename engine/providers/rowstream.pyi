from typing_extensions import disjoint_base

from engine.providers.venuestream import VenueStream

@disjoint_base
class RowStream(VenueStream): ...
