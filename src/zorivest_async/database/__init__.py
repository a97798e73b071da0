"""SQL: models, statements, transactions, repositories, the unit of work, and the SQLCipher engine."""

from zorivest_async._requirements import require_releases

require_releases()  # before any module here imports a package that is too old
