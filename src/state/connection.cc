#include "state/connection.h"

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "state/database.h"

namespace savia::state {
namespace {

bool out_of_room(int system_errno) {
  return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

// What the kernel said last to the database file or its log. SQLite tells ENOSPC apart by itself, a quota and a file size
// limit not.
int last_errno(sqlite3* db) {
  for (const int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    int err = 0;
    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK || file == nullptr || file->pMethods == nullptr) continue;
    if (file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &err) == SQLITE_OK && err != 0) return err;
  }
  return sqlite3_system_errno(db);
}

// Small caches: the kernel keeps the file's pages anyway, and the idle server must stay small.
std::string pragmas(ConnectionMode mode) {
  const bool writer = mode == ConnectionMode::kWriter;
  std::string sql = "PRAGMA busy_timeout=" + std::to_string(limits::kDatabaseBusyMs) + ";";
  if (writer) sql += "PRAGMA journal_mode=WAL;";
  sql += "PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA temp_store=MEMORY;PRAGMA wal_autocheckpoint=0;";
  sql += "PRAGMA journal_size_limit=" + std::to_string(limits::kWalKeptBytes) + ";";
  sql += "PRAGMA cache_size=-" + std::to_string(writer ? limits::kWriterCacheKib : limits::kReaderCacheKib) + ";";
  if (!writer) sql += "PRAGMA query_only=ON;";
  return sql;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, ConnectionMode mode) {
  sqlite3* db = nullptr;
  const int rc =
      sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<Connection> c(new Connection(db));  // owns db, which is set on failure too
  if (rc != SQLITE_OK) return c->error(rc, "open " + path);
  sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, nullptr, 256, mode == ConnectionMode::kWriter ? 128 : 32);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  TRY_CONTEXT(c->script(pragmas(mode)), "open " + path);
  return c;
}

Connection::~Connection() {
  drop_statements();
  sqlite3_close_v2(db_);
}

Connection::Lease::~Lease() {
  if (stmt == nullptr) return;
  if (temporary) {
    sqlite3_finalize(stmt);
  } else {
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
  }
}

void Connection::drop_statements() {
  for (auto& [sql, stmt] : statements_) sqlite3_finalize(stmt);
  statements_.clear();
}

Result<Connection::Lease> Connection::prepare(std::string_view sql) {
  Lease lease;
  auto it = statements_.find(sql);
  if (it != statements_.end() && !sqlite3_stmt_busy(it->second)) {
    lease.stmt = it->second;
    return lease;
  }
  const bool keep = it == statements_.end() && statements_.size() < limits::kPreparedStatements;
  const int rc = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), keep ? SQLITE_PREPARE_PERSISTENT : 0,
                                    &lease.stmt, nullptr);
  if (rc != SQLITE_OK) return error(rc);
  if (lease.stmt == nullptr) return Error::internal("empty SQL statement");
  lease.temporary = !keep;
  if (keep) statements_.emplace(std::string(sql), lease.stmt);
  return lease;
}

Result<void> Connection::run(std::string_view sql) {
  Lease lease = TRY(prepare(sql));
  const int rc = sqlite3_step(lease.stmt);
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) return error(rc, sql);
  return {};
}

Result<void> Connection::script(const std::string& sql) {
  const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return error(rc);
  return {};
}

Error Connection::error(int rc, std::string_view doing) const {
  std::string text(doing);
  if (!text.empty()) text += ": ";
  text += db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(rc);
  switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
      return Error::conflict(std::move(text));
    case SQLITE_FULL:
      return Error::exhausted("disk is full: " + text);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      const int system_errno = db_ != nullptr ? last_errno(db_) : 0;
      if (system_errno != 0) text += std::string(" (") + strerrordesc_np(system_errno) + ")";
      if (out_of_room(system_errno)) return Error::exhausted("disk is full: " + text);
      return Error::internal(std::move(text));
    }
    case SQLITE_NOMEM:
      return Error::exhausted("out of memory: " + text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error::unavailable(std::move(text));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Error::denied(std::move(text));
    default:
      return Error::internal(std::move(text));
  }
}

int64_t Row::num(int column) const {
  return sqlite3_column_int64(s_, column);
}
double Row::real(int column) const {
  return sqlite3_column_double(s_, column);
}
bool Row::is_null(int column) const {
  return sqlite3_column_type(s_, column) == SQLITE_NULL;
}
std::string Row::text(int column) const {
  const void* data = sqlite3_column_blob(s_, column);  // of a TEXT: its UTF-8
  const int size = sqlite3_column_bytes(s_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Result<int64_t> Tx::run(std::string_view sql, const Param* params, size_t count, const std::function<bool(const Row&)>& each) {
  Connection::Lease lease = TRY(connection_.prepare(sql));
  sqlite3_stmt* s = lease.stmt;
  if (static_cast<size_t>(sqlite3_bind_parameter_count(s)) != count) {
    return Error::internal("SQL takes " + std::to_string(sqlite3_bind_parameter_count(s)) + " parameters, " +
                           std::to_string(count) + " given: " + std::string(sql));
  }
  for (size_t i = 0; i < count; ++i) {
    const Param& p = params[i];
    const int column = static_cast<int>(i) + 1;
    const char* data = p.text_.data() == nullptr ? "" : p.text_.data();  // a null pointer would bind NULL
    int rc = SQLITE_OK;
    switch (p.kind_) {
      case Param::Kind::kNull:
        rc = sqlite3_bind_null(s, column);
        break;
      case Param::Kind::kInt:
        rc = sqlite3_bind_int64(s, column, p.int_);
        break;
      case Param::Kind::kReal:
        rc = sqlite3_bind_double(s, column, p.real_);
        break;
      case Param::Kind::kText:
        rc = sqlite3_bind_text64(s, column, data, p.text_.size(), SQLITE_STATIC, SQLITE_UTF8);
        break;
      case Param::Kind::kBlob:
        rc = sqlite3_bind_blob64(s, column, data, p.text_.size(), SQLITE_STATIC);
        break;
    }
    if (rc != SQLITE_OK) return connection_.error(rc);
  }
  int rc = SQLITE_ROW;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    if (each && !each(Row(s))) return 0;
  }
  if (rc != SQLITE_DONE) return connection_.error(rc);
  return sqlite3_stmt_readonly(s) != 0 ? 0 : sqlite3_changes64(connection_.handle());
}

void Tx::after_commit(std::function<void()> fn) {
  after_commit_.push_back(std::move(fn));
}

}  // namespace savia::state
