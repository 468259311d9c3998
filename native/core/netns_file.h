// Files of /proc as another network namespace shows them. Which namespace they show is decided when
// they are opened, by the thread that opens.
#ifndef IPVS_CORE_NETNS_FILE_H_
#define IPVS_CORE_NETNS_FILE_H_

#include <string>
#include <vector>

#include "netns.h"
#include "result.h"
#include "unique_fd.h"

namespace ipvs {

// `space` may be null for the namespace of the calling thread. Under /proc/net write
// /proc/thread-self/net: the other one shows the process's first thread's namespace.
Failure OpenFileIn(const NetworkNamespace* space, const std::string& path, UniqueFd* file);

// A whole file, up to a limit that nothing sensible reaches.
Failure ReadFileIn(const NetworkNamespace* space, const std::string& path, std::string* text);

// Writes `text` to a file that is there, with a single write: to a sysctl a second one would be
// another value.
Failure WriteFileIn(const NetworkNamespace* space, const std::string& path,
                    const std::string& text);

// Whether a file may be written: it opens for that. Nothing is written.
Failure CheckWritableIn(const NetworkNamespace* space, const std::string& path);

// A file and what it holds.
struct FileText {
  std::string path;
  std::string text;
};

// All files below a folder that can be read, sorted; of a file just that one.
Failure ReadTreeIn(const NetworkNamespace* space, const std::string& path,
                   std::vector<FileText>* files);

// The names in a folder, without "." and "..", sorted.
Failure ListFolderIn(const NetworkNamespace* space, const std::string& path,
                     std::vector<std::string>* names);

}  // namespace ipvs

#endif  // IPVS_CORE_NETNS_FILE_H_
