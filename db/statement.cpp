#include "db/statement.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace pretrain::db {

namespace {

static_assert(SQLITE_VERSION_NUMBER >= 3037000, "STRICT tables need SQLite 3.37");

constexpr int primary(int code) { return code & 0xFF; }

/// A used-up quota reaches SQLite as a failed write, not as a full disk.
bool out_of_space(int system_error) {
  return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

bool about_locks(int code) {
  return code == SQLITE_IOERR_LOCK || code == SQLITE_IOERR_RDLOCK || code == SQLITE_IOERR_UNLOCK ||
         code == SQLITE_IOERR_CHECKRESERVEDLOCK;
}

}  // namespace

Database::Database(std::string path, const std::string& file, int flags) : path_(std::move(path)) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_EXRESCODE, nullptr);
  handle_.reset(raw);  // also after a failure: the handle holds the message and must be closed
  if (code != SQLITE_OK) fail(code);
}

void Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t Database::integer(std::string_view sql) const {
  Statement statement{*this, sql};
  if (!statement.step()) throw std::logic_error(fmt::format("no row from: {}", sql));
  return statement.integer(0);
}

void Database::fail(int code) const {
  if (primary(code) == SQLITE_NOMEM || get() == nullptr) throw std::bad_alloc();
  // Before anything else may touch the connection or errno.
  const int system_error = sqlite3_system_errno(get());
  std::string said = sqlite3_errmsg(get());
  if ((primary(code) == SQLITE_CANTOPEN || primary(code) == SQLITE_IOERR) && system_error != 0) {
    said += ": " + std::generic_category().message(system_error);
  }
  const auto error = [&](std::string_view what, std::string_view help) {
    return InputError(Location{path_}, fmt::format("{} ({})", what, said), std::string{help});
  };
  constexpr std::string_view kFull = "the disk is full or the quota is used up";
  constexpr std::string_view kMakeRoom =
      "make room, or save to another disk with --db FILE; nothing of this save was kept";
  switch (primary(code)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Locked(Location{path_},
                   fmt::format("the store is locked by another planner ({})", said),
                   "try again when it has finished, or use another store with --db FILE");
    case SQLITE_FULL:
      throw error(kFull, kMakeRoom);
    case SQLITE_READONLY:
      if (code == SQLITE_READONLY_DBMOVED) {
        throw error("the store was moved or replaced while in use", "run the command again");
      }
      if (code == SQLITE_READONLY_ROLLBACK) {
        throw error("an interrupted save must be undone first, and the store is write-protected",
                    "open it once as a user who may write the file and its folder");
      }
      [[fallthrough]];
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      throw error("the store cannot be opened or written",
                  "check the permissions of the file and of its folder, or name another store "
                  "with --db FILE");
    case SQLITE_NOTADB:
      throw error("not a store of the planner", "name another file with --db FILE");
    case SQLITE_CORRUPT:
      throw error("the store is damaged",
                  "run `planner db check`; then bring back a copy, or use another store with "
                  "--db FILE");
    case SQLITE_IOERR:
      if (out_of_space(system_error)) throw error(kFull, kMakeRoom);
      if (about_locks(code)) {
        throw error("the file system cannot lock the store",
                    "put the store on another disk with --db FILE");
      }
      throw error("the store cannot be read or written",
                  "check the disk and its connection, then run `planner db check`");
    case SQLITE_TOOBIG:
      throw error("a run is too large for the store", "shorten its cells");
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_INTERNAL:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      throw std::logic_error(fmt::format("{}: SQLite code {}: {}", path_, code, said));
    default:  // e.g. a table that someone has dropped
      throw error("the store is not as this planner expects it",
                  "run `planner db check`, or use another store with --db FILE");
  }
}

Statement::Statement(const Database& db, std::string_view sql) : db_(&db) {
  sqlite3_stmt* raw = nullptr;
  const int code =
      sqlite3_prepare_v2(db.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  handle_.reset(raw);
  checked(code);
}

Statement& Statement::checked(int code) {
  if (code != SQLITE_OK) db_->fail(code);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // With its length, so that a NUL inside does not cut it; a null pointer would bind NULL.
  const char* const bytes = text.data() == nullptr ? "" : text.data();
  return checked(
      sqlite3_bind_text64(handle_.get(), index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

Statement& Statement::bind(int index, std::int64_t number) {
  return checked(sqlite3_bind_int64(handle_.get(), index, number));
}

Statement& Statement::bind(int index, std::optional<double> number) {
  return number ? checked(sqlite3_bind_double(handle_.get(), index, *number)) : bind_null(index);
}

Statement& Statement::bind_null(int index) {
  return checked(sqlite3_bind_null(handle_.get(), index));
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) db_->fail(code);
  return code == SQLITE_ROW;
}

int Statement::run() {
  const int code = sqlite3_step(handle_.get());
  sqlite3_reset(handle_.get());  // says again what step said
  return code;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::optional<double> Statement::number(int column) const {
  if (is_null(column)) return std::nullopt;
  return sqlite3_column_double(handle_.get(), column);
}

std::string Statement::text(int column) const {
  if (is_null(column)) return {};
  const auto* const bytes = sqlite3_column_text(handle_.get(), column);
  if (bytes == nullptr) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

Transaction::Transaction(const Database& db, const std::string& begin) : db_(db) {
  db_.execute(begin);
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  db_.execute("COMMIT");
  open_ = false;
}

}  // namespace pretrain::db
