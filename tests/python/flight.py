"""An ADQL statement by Arrow Flight SQL, with ADBC and with pyarrow alone.

usage: flight.py GRPC_URL ADQL EXPECTED_ROWS
"""

import sys

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow.flight as flight

url, adql, expected = sys.argv[1], sys.argv[2], int(sys.argv[3])


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes(encoded + bytearray([number]))


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


with flightsql.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(adql)
    by_adbc = cursor.fetch_arrow_table()
    assert by_adbc.num_rows == expected, by_adbc.num_rows

# A CommandStatementQuery in a google.protobuf.Any, as Flight SQL wants it.
command = field(1, b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery") + field(2, field(1, adql.encode()))
client = flight.connect(url)
info = client.get_flight_info(flight.FlightDescriptor.for_command(command))
by_pyarrow = client.do_get(info.endpoints[0].ticket).read_all()
assert by_pyarrow.num_rows == expected, by_pyarrow.num_rows
assert by_pyarrow.column_names == by_adbc.column_names
assert 3425114617586286848 in by_pyarrow["source_id"].to_pylist(), "ids are exact"

try:
    client.get_flight_info(flight.FlightDescriptor.for_command(command.replace(b"source_id", b"sourc_eid")))
except (flight.FlightError, ValueError, OSError, KeyError) as error:
    assert "sourc_eid" in str(error), error
else:
    raise AssertionError("an unknown column should have failed")
print(by_pyarrow.num_rows, "rows by Flight")
