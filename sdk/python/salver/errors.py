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


class FeatureStoreException(SalverError):
    """Of feature groups: the stores, their metadata, pipelines."""


class FeatureNotFoundError(FeatureStoreException, FeatureNotFoundException):
    pass


class FeatureGroupNotFoundError(FeatureStoreException, FeatureViewNotFoundException):
    pass


class SchemaValidationError(FeatureStoreException):
    """Rows do not fit their feature group's schema; the message names all of them, up to a bound."""


class FeatureMaterializationError(FeatureStoreException):
    """Rows could not be written; the table is as it was."""


class VirtualizationQueryError(FeatureStoreException):
    """The SQL of a virtual feature failed, or took too long (code "DeadlineExceeded")."""


class MetadataError(FeatureStoreException):
    """What was asked contradicts what is known of the feature groups: a breaking change, a cycle, a bad schema."""


class FeatureRegistryError(FeatureStoreException):
    """The registry can not be read or written."""


# Numbers of salver::Reason (include/salver/status.h).
_BY_REASON = {1: FeatureViewNotFoundException, 2: FeatureServiceNotFoundException, 3: FeatureNotFoundError,
              4: FeastObjectNotFoundException, 5: PushSourceNotFoundException, 8: FeatureNameCollisionError,
              30: FeatureGroupNotFoundError, 31: SchemaValidationError, 32: FeatureMaterializationError,
              33: VirtualizationQueryError, 34: MetadataError, 35: FeatureRegistryError}


def from_core(error: Exception) -> SalverError:
    """The exception for a salver._core.Error."""
    code, reason, message = error.args
    return _BY_REASON.get(reason, SalverError)(code, message)
