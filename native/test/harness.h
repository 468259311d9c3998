// TEST("a sentence") { CHECK(that); CHECK_EQ(actual, expected); } and a runner that speaks TAP 14.
#ifndef IPVS_TEST_HARNESS_H_
#define IPVS_TEST_HARNESS_H_

#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "wire.h"

namespace ipvs::test {

struct Case {
  const char* name;
  void (*body)();
};

inline std::vector<Case> cases;  // in the order of the files, then of the lines
inline bool failed;              // the running test
inline std::string skipped;      // why the running test could not be done here
inline std::string row;          // which row of its table is being checked

template <typename T>
std::string Show(const T& value) {
  if constexpr (std::is_enum_v<T>) return std::to_string(static_cast<int>(value));
  if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
  if constexpr (std::is_convertible_v<T, std::string>) return '"' + std::string(value) + '"';
  if constexpr (std::is_convertible_v<T, Bytes>) return ToHex(value);
}

// A failed check is told and the test goes on; who cannot go on looks at what it returns.
inline bool Check(bool ok, const char* file, int line, const char* text, const std::string& why) {
  if (ok) return true;
  std::printf("# %s:%d: %s%s\n", file, line, text, why.c_str());
  if (!row.empty()) std::printf("#   row:  %s\n", row.c_str());
  failed = true;
  return false;
}

template <typename A, typename B>
bool CheckEqual(const A& is, const B& want, const char* file, int line, const char* text) {
  return Check(is == want, file, line, text,
               "\n#   is:   " + Show(is) + "\n#   want: " + Show(want));
}

// Runs the tests whose name contains `only`; returns the exit status, not 0 where there are none.
// The plan comes last: where a test ends the process it is missing, and that is no success either.
inline int RunAll(const char* only) {
  int count = 0, status = 0;
  std::printf("TAP version 14\n");
  for (const Case& test : cases) {
    if (std::strstr(test.name, only) == nullptr) continue;
    failed = false;
    skipped = row = "";
    test.body();
    if (failed) status = 1;
    std::printf("%sok %d - %s%s%s\n", failed ? "not " : "", ++count, test.name,
                skipped.empty() ? "" : " # SKIP ", skipped.c_str());
    std::fflush(stdout);
  }
  std::printf("1..%d\n", count);
  return count == 0 ? 1 : status;
}

}  // namespace ipvs::test

#define CHECK(that) ::ipvs::test::Check((that), __FILE__, __LINE__, #that, "")
#define CHECK_EQ(is, want) ::ipvs::test::CheckEqual(is, want, __FILE__, __LINE__, #is)
#define TEST(name) IPVS_TEST(name, __LINE__)
#define IPVS_TEST(name, line) IPVS_TEST_AT(name, line)
#define IPVS_TEST_AT(name, line)                                  \
  static void Test##line();                                       \
  [[maybe_unused]] static const bool registered##line =           \
      (::ipvs::test::cases.push_back({name, &Test##line}), true); \
  static void Test##line()

#endif  // IPVS_TEST_HARNESS_H_
