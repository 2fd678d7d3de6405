"""A Databricks that runs here: the vendor's protocol in front of a real SQL engine with real Delta tables.

    with Warehouse(folder) as warehouse, sql.connect(**warehouse.connection()) as connection: ...

`README.md` beside this says what it does, what it does not, and what only a real account can settle.
"""

from tests.support.warehouse.compute import SlowStart
from tests.support.warehouse.thrift_service import Patience
from tests.support.warehouse.unsettled import Unsettled
from tests.support.warehouse.warehouse import Options, Warehouse

__all__ = ["Options", "Patience", "SlowStart", "Unsettled", "Warehouse"]
