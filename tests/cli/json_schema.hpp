#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace pretrain::cli {

/// Checks documents against the part of JSON Schema 2020-12 that the output contract uses. A
/// keyword that it does not know is an error of the test, never passed over.
class JsonSchema {
 public:
  using Json = nlohmann::json;
  explicit JsonSchema(Json schema) : root_(std::move(schema)) { require_known(root_); }

  /// What is wrong, each with its place; empty when the document is as promised.
  std::vector<std::string> faults(const Json& document) const {
    std::vector<std::string> found;
    check(root_, document, "", found);
    return found;
  }

 private:
  /// Keywords are told wherever they stand, also where no document reaches them.
  static void require_known(const Json& schema) {
    static const std::set<std::string> kKnown{
        "$schema",      "$id",      "title",      "description",
        "$defs",        "$ref",     "type",       "enum",
        "const",        "if",       "then",       "else",
        "items",        "required", "properties", "additionalProperties",
        "propertyNames"};
    if (!schema.is_object()) throw std::logic_error("a schema that is no object: " + schema.dump());
    for (const auto& [keyword, value] : schema.items()) {
      if (!kKnown.contains(keyword)) throw std::logic_error("unknown keyword " + keyword);
      if (keyword == "properties" || keyword == "$defs") {
        for (const auto& part : value) require_known(part);
      } else if (keyword == "if" || keyword == "then" || keyword == "else" || keyword == "items" ||
                 keyword == "additionalProperties" || keyword == "propertyNames") {
        require_known(value);
      }
    }
  }

  static bool is_a(const std::string& type, const Json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    if (type == "integer") {
      return value.is_number() && value.get<double>() == std::floor(value.get<double>());
    }
    throw std::logic_error("unknown type " + type);
  }

  void check(const Json& schema, const Json& value, const std::string& place,
             std::vector<std::string>& found) const {
    const auto fault = [&](const std::string& what) { found.push_back(place + ": " + what); };
    if (schema.contains("$ref")) {
      const auto target = schema["$ref"].get<std::string>();
      if (!target.starts_with('#')) throw std::logic_error("a reference to elsewhere: " + target);
      check(root_.at(Json::json_pointer{target.substr(1)}), value, place, found);
    }
    if (schema.contains("type")) {
      const auto& type = schema["type"];
      const bool fits = type.is_array() ? std::any_of(type.begin(), type.end(),
                                                      [&](const Json& t) { return is_a(t, value); })
                                        : is_a(type.get<std::string>(), value);
      if (!fits) return fault(value.dump().substr(0, 60) + " is not of type " + type.dump());
    }
    if (schema.contains("enum")) {
      const auto& values = schema["enum"];
      if (std::find(values.begin(), values.end(), value) == values.end()) {
        fault(value.dump() + " is none of " + values.dump());
      }
    }
    if (schema.contains("const") && value != schema["const"])
      fault("is not " + schema["const"].dump());
    if (schema.contains("if")) {
      std::vector<std::string> otherwise;
      check(schema["if"], value, place, otherwise);
      const char* branch = otherwise.empty() ? "then" : "else";
      if (schema.contains(branch)) check(schema[branch], value, place, found);
    }
    if (value.is_array() && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        check(schema["items"], value[i], place + "/" + std::to_string(i), found);
      }
    }
    if (!value.is_object()) return;
    for (const auto& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) fault("lacks " + name.dump());
    }
    const auto properties = schema.value("properties", Json::object());
    for (const auto& [name, part] : value.items()) {
      const std::string below = place + "/" + name;
      if (schema.contains("propertyNames")) check(schema["propertyNames"], name, below, found);
      if (properties.contains(name)) {
        check(properties[name], part, below, found);
      } else if (schema.contains("additionalProperties")) {
        check(schema["additionalProperties"], part, below, found);
      }
    }
  }

  Json root_;
};

}  // namespace pretrain::cli
