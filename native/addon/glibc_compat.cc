// libstdc++ counts references without atomics while this variable of glibc 2.32 and later says that
// there is one thread. Importing it would keep the addon from loading on the older glibc that
// Node.js supports, so it is defined here, for this file alone. With a thread pool there are always
// several threads, so nothing is lost. scripts/check-glibc tells whether something new creeps in.
extern "C" {
__attribute__((visibility("hidden"))) extern char __libc_single_threaded;
char __libc_single_threaded = 0;
}
