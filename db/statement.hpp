#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "models/core/input_error.hpp"

namespace pretrain::db {

/// Another process holds the file: nothing is wrong with the store, and later it will work.
class Locked : public InputError {
 public:
  using InputError::InputError;
};

/// Owns one connection. `path` is what messages call it.
class Database {
 public:
  /// `file` is what SQLite opens; `flags` are SQLITE_OPEN_*.
  Database(std::string path, const std::string& file, int flags);

  sqlite3* get() const { return handle_.get(); }
  const std::string& path() const { return path_; }

  /// Runs statements that return nothing of interest. For fixed SQL: it binds no values.
  void execute(const std::string& sql) const;
  /// The single number that a query returns.
  std::int64_t integer(std::string_view sql) const;

  /// What went wrong, for the person: InputError, or logic_error where it is our bug.
  [[noreturn]] void fail(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// Owns one prepared statement; the database must outlive it. Values are always bound, never pasted
/// into SQL.
class Statement {
 public:
  Statement(const Database& db, std::string_view sql);

  /// Parameters count from 1. Text is not copied: it must live until the statement has run.
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  Statement& bind(int index, std::optional<double> number);
  Statement& bind_null(int index);

  /// True while there is a row to read.
  bool step();
  /// Runs a statement without rows and makes it ready for the next run. Returns SQLite's extended
  /// result code, SQLITE_DONE when it worked.
  int run();

  /// Columns count from 0; valid until the next step.
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::optional<double> number(int column) const;
  std::string text(int column) const;  ///< empty where NULL

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Statement& checked(int code);

  const Database* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// Rolls back unless committed.
class Transaction {
 public:
  /// `begin` is "BEGIN" (one consistent view) or "BEGIN IMMEDIATE" (the only writer).
  Transaction(const Database& db, const std::string& begin);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  const Database& db_;
  bool open_{true};
};

}  // namespace pretrain::db
