"""What FeatureStore raises: classes named as Feast's, below SalverError."""


class SalverError(Exception):
    """code is the canonical status ("NotFound"), message says what was asked, what was found, and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class FeatureViewNotFoundException(SalverError):
    pass


class FeatureServiceNotFoundException(SalverError):
    pass


class FeatureNotFoundException(SalverError):
    pass


class FeastObjectNotFoundException(SalverError):
    pass


class PushSourceNotFoundException(SalverError):
    pass


class FeatureNameCollisionError(SalverError):
    pass


# Numbers of salver::Reason (include/salver/status.h).
_BY_REASON = {1: FeatureViewNotFoundException, 2: FeatureServiceNotFoundException, 3: FeatureNotFoundException,
              4: FeastObjectNotFoundException, 5: PushSourceNotFoundException, 8: FeatureNameCollisionError}


def from_core(error: Exception) -> SalverError:
    """The exception for a salver._core.Error."""
    code, reason, message = error.args
    return _BY_REASON.get(reason, SalverError)(code, message)
