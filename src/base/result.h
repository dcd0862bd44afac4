// Result<T, E>: a value or the error that prevented it. Our code does not throw.
//
//   Result<Config> load(std::string_view path) {
//     std::string text = TRY(os::read_file(path));       // an error leaves the function here
//     if (text.empty()) return Error::invalid("config file is empty");
//     return parse(text);
//   }
//
// g++ 12 in C++20 mode has no std::expected; this is the small part of it that the project needs.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace savia {

// What the caller should do next, which is the only reason to tell errors apart.
enum class ErrorKind {
  kInvalid,        // the input is wrong: report it to whoever sent it
  kNotFound,       // the thing named does not exist
  kConflict,       // the state forbids it now: the caller may look again and retry
  kDenied,         // not allowed
  kExhausted,      // a limit, quota or the disk is full: free something first
  kUnavailable,    // try again later
  kUnimplemented,  // this program does not do that
  kInternal,       // our fault
};

class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  static Error invalid(std::string m) { return {ErrorKind::kInvalid, std::move(m)}; }
  static Error not_found(std::string m) { return {ErrorKind::kNotFound, std::move(m)}; }
  static Error conflict(std::string m) { return {ErrorKind::kConflict, std::move(m)}; }
  static Error denied(std::string m) { return {ErrorKind::kDenied, std::move(m)}; }
  static Error exhausted(std::string m) { return {ErrorKind::kExhausted, std::move(m)}; }
  static Error unavailable(std::string m) { return {ErrorKind::kUnavailable, std::move(m)}; }
  static Error unimplemented(std::string m) { return {ErrorKind::kUnimplemented, std::move(m)}; }
  static Error internal(std::string m) { return {ErrorKind::kInternal, std::move(m)}; }
  // From errno: ENOENT is kNotFound, EACCES/EPERM kDenied, ENOSPC/EDQUOT/EMFILE/ENOMEM kExhausted, else kInternal.
  static Error from_errno(int err, std::string_view what);

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  // Adds what was being done, on the way up: "open /x: No such file" -> "load config: open /x: No such file".
  Error context(std::string_view doing) && {
    message_.insert(0, std::string(doing) + ": ");
    return std::move(*this);
  }

 private:
  ErrorKind kind_;
  std::string message_;
};

// Carries an error of any type into a Result of any value type.
template <class E>
struct Failure {
  E error;
};
template <class E>
Failure<std::decay_t<E>> fail(E&& e) {
  return {std::forward<E>(e)};
}

template <class T, class E = Error>
class [[nodiscard]] Result {
  static_assert(!std::is_reference_v<T>, "return a pointer instead");
  static_assert(!std::is_same_v<T, E>);

 public:
  using value_type = T;
  using error_type = E;

  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(E error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  template <class E2>
  Result(Failure<E2> f)  // NOLINT(google-explicit-constructor)
      : v_(std::in_place_index<1>, E(std::move(f.error))) {}
  // Lets `return "text";` and `return {…};` work where T is constructible from it.
  template <class U>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, T> && !std::is_same_v<std::decay_t<U>, E> &&
           !std::is_same_v<std::decay_t<U>, Result> && std::is_convertible_v<U&&, T>) Result(U&& u)
      : v_(std::in_place_index<0>, std::forward<U>(u)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(v_); }
  const T& value() const& { return std::get<0>(v_); }
  T&& value() && { return std::get<0>(std::move(v_)); }
  E& error() & { return std::get<1>(v_); }
  const E& error() const& { return std::get<1>(v_); }
  E&& error() && { return std::get<1>(std::move(v_)); }
  T value_or(T other) && { return ok() ? std::get<0>(std::move(v_)) : std::move(other); }
  T* operator->() { return &std::get<0>(v_); }
  const T* operator->() const { return &std::get<0>(v_); }
  T& operator*() & { return std::get<0>(v_); }
  const T& operator*() const& { return std::get<0>(v_); }
  T&& operator*() && { return std::get<0>(std::move(v_)); }

 private:
  std::variant<T, E> v_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  using value_type = void;
  using error_type = E;
  Result() = default;
  Result(E error) : failed_(true), e_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  template <class E2>
  Result(Failure<E2> f)  // NOLINT(google-explicit-constructor)
      : failed_(true), e_(std::in_place_index<1>, E(std::move(f.error))) {}

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  void value() const {}
  E& error() & { return std::get<1>(e_); }
  const E& error() const& { return std::get<1>(e_); }
  E&& error() && { return std::get<1>(std::move(e_)); }

 private:
  bool failed_ = false;
  std::variant<std::monostate, E> e_;
};

}  // namespace savia

// The value of a Result expression; an error leaves the calling function. GNU statement expression, clean on g++ and clang.
// The name of the temporary is numbered, so that a TRY may stand inside a lambda inside another TRY without -Wshadow.
#define TRY(...) SAVIA_TRY_AS(SAVIA_TRY_NAME(__COUNTER__), error(), __VA_ARGS__)

// The same, saying what was being done: TRY_CONTEXT(read(x), "load config").
#define TRY_CONTEXT(expr, doing) SAVIA_TRY_AS(SAVIA_TRY_NAME(__COUNTER__), error().context(doing), expr)

#define SAVIA_TRY_NAME(n) SAVIA_TRY_NAME2(n)
#define SAVIA_TRY_NAME2(n) try_result_##n
#define SAVIA_TRY_AS(name, with_error, ...)                           \
  __extension__({                                                     \
    auto name = (__VA_ARGS__);                                        \
    if (!name.ok()) return ::savia::fail(std::move(name).with_error); \
    std::move(name).value();                                          \
  })
