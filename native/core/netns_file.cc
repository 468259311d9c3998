#include "netns_file.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ipvs {

namespace {

constexpr size_t kPiece = size_t{64} * 1024;
constexpr size_t kLargestFile = size_t{16} * 1024 * 1024;

}  // namespace

Failure OpenFileIn(const NetworkNamespace* space, const std::string& path, UniqueFd* file) {
  return RunIn(space, [&path, file] {
    file->Reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return *file ? Failure() : Failure::SystemCall("open", errno);
  });
}

Failure ReadFileIn(const NetworkNamespace* space, const std::string& path, std::string* text) {
  UniqueFd file;
  if (Failure failure = OpenFileIn(space, path, &file)) return failure;
  text->clear();
  for (;;) {
    const size_t before = text->size();
    if (before > kLargestFile) return Failure::SystemCall("read", EFBIG);
    text->resize(before + kPiece);
    const ssize_t size = ::read(file.get(), &(*text)[before], kPiece);
    const int error = errno;
    text->resize(before + static_cast<size_t>(size > 0 ? size : 0));
    if (size == 0) return Failure();
    if (size < 0 && error != EINTR) return Failure::SystemCall("read", error);
  }
}

Failure ListFolderIn(const NetworkNamespace* space, const std::string& path,
                     std::vector<std::string>* names) {
  // Wholly inside: /proc/sys looks at who lists, too.
  return RunIn(space, [&path, names] {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return Failure::SystemCall("opendir", errno);
    while (const dirent* entry = ::readdir(folder)) {
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
        names->emplace_back(entry->d_name);
      }
    }
    ::closedir(folder);
    std::sort(names->begin(), names->end());
    return Failure();
  });
}

}  // namespace ipvs
