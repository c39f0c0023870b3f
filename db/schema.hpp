#pragma once

#include <span>

#include "models/core/embedded.hpp"

namespace pretrain::db {

/// The migrations db/schema/0001_*.sql, 0002_*.sql, ... in this order. File n lifts a store from
/// schema version n - 1 to n. A migration that has been released is never edited, only followed.
std::span<const EmbeddedFile> embedded_files();

/// Oldest schema version whose tables the queries of this program can read unmigrated.
inline constexpr int kOldestReadable = 1;

/// Marks the file as ours in SQLite's header: "PLAN" in ASCII.
inline constexpr int kApplicationId = 0x504C414E;

}  // namespace pretrain::db
