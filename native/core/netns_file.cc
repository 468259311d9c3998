#include "netns_file.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ipvs {

namespace {

// A setting's file costs as much as is asked for, twice: the kernel fills a buffer of that size
// with zeros first (proc_sys_call_handler).
constexpr size_t kPiece = 4096;
constexpr size_t kLargestFile = size_t{16} * 1024 * 1024;

Failure Open(const std::string& path, int mode, UniqueFd* file) {
  // O_NONBLOCK: a FIFO by that name must not hang the caller.
  file->Reset(::open(path.c_str(), mode | O_CLOEXEC | O_NONBLOCK));
  return *file ? Failure() : Failure::SystemCall("open", errno);
}

Failure ReadAll(const UniqueFd& file, std::string* text) {
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

Failure ListFolder(const std::string& path, std::vector<std::string>* names) {
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
}

// What can't be listed or read is left out: it may also have gone meanwhile.
void ReadTree(const std::string& path, std::vector<FileText>* files) {
  std::vector<std::string> names;
  if (!ListFolder(path, &names)) {
    for (const std::string& name : names)
      ReadTree(std::string(path).append("/").append(name), files);
    return;
  }
  UniqueFd file;
  FileText found{path, {}};
  if (Open(path, O_RDONLY, &file) || ReadAll(file, &found.text)) return;
  files->push_back(std::move(found));
}

}  // namespace

Failure OpenFileIn(const NetworkNamespace* space, const std::string& path, UniqueFd* file) {
  return RunIn(space, [&path, file] { return Open(path, O_RDONLY, file); });
}

Failure ReadFileIn(const NetworkNamespace* space, const std::string& path, std::string* text) {
  UniqueFd file;
  if (Failure failure = OpenFileIn(space, path, &file)) return failure;
  return ReadAll(file, text);
}

Failure WriteFileIn(const NetworkNamespace* space, const std::string& path,
                    const std::string& text) {
  return RunIn(space, [&path, &text] {
    UniqueFd file;
    if (Failure failure = Open(path, O_WRONLY, &file)) return failure;
    for (;;) {
      const ssize_t size = ::write(file.get(), text.data(), text.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Failure::SystemCall("write", errno);
      // The end of the line may be left over (6.1 does so with some). Of anything else the kernel
      // took only the beginning: a list that is longer than the setting.
      const bool whole = text.find_first_not_of(" \t\n", static_cast<size_t>(size)) == text.npos;
      return whole ? Failure() : Failure::SystemCall("write", EINVAL);
    }
  });
}

Failure CheckWritableIn(const NetworkNamespace* space, const std::string& path) {
  // access(2) would judge by the real user and without ambient capabilities, and so be wrong.
  return RunIn(space, [&path] {
    UniqueFd file;
    return Open(path, O_WRONLY, &file);
  });
}

Failure ReadTreeIn(const NetworkNamespace* space, const std::string& path,
                   std::vector<FileText>* files) {
  return RunIn(space, [&path, files] {
    if (::access(path.c_str(), F_OK) != 0) return Failure::SystemCall("access", errno);
    ReadTree(path, files);
    return Failure();
  });
}

Failure ListFolderIn(const NetworkNamespace* space, const std::string& path,
                     std::vector<std::string>* names) {
  // Wholly inside: /proc/sys looks at who lists, too.
  return RunIn(space, [&path, names] { return ListFolder(path, names); });
}

}  // namespace ipvs
