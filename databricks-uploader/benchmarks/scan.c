/* scan DB TABLE: reads every value of every row with SQLite's C interface, one thread: the limit of reading.
 * Prints the rows. Build: cc -O2 scan.c -o scan -lsqlite3 */
#include <sqlite3.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: scan DB TABLE\n");
        return 2;
    }
    sqlite3 *db;
    sqlite3_stmt *statement;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", argv[2]);
    if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        return 1;
    }
    int columns = sqlite3_column_count(statement), result;
    long rows = 0;
    volatile unsigned long long seen = 0; /* so that no read is optimised away */
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            if (sqlite3_column_type(statement, i) == SQLITE_FLOAT) {
                seen += (unsigned long long)sqlite3_column_double(statement, i);
            } else if (sqlite3_column_type(statement, i) == SQLITE_INTEGER) {
                seen += (unsigned long long)sqlite3_column_int64(statement, i);
            } else {
                const unsigned char *bytes = sqlite3_column_blob(statement, i);
                int size = sqlite3_column_bytes(statement, i);
                for (int k = 0; k < size; k += 8) seen += bytes[k];
            }
        }
        rows++;
    }
    if (result != SQLITE_DONE) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        return 1;
    }
    printf("%ld\n", rows);
    return 0;
}
