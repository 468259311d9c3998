/* System calls that fail when a test says so. Preloaded into the process under test, which sets
 * IPVS_TEST_FAULT to "NUMBER CALL ERRNO TIMES [late]": so often, the next of these calls on a netlink
 * socket fail; another NUMBER starts anew. "late" carries the call out first where it succeeds: what
 * it brought is lost. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int current = -1;
static int left;

static int is_netlink(int fd) {
  int domain = 0;
  socklen_t length = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_NETLINK;
}

/* The errno that this call is to fail with, or 0. */
static int fault(const char *call, int fd, int *late) {
  const char *order = getenv("IPVS_TEST_FAULT");
  char name[16];
  char when[8] = "";
  int number;
  int error;
  int times;
  if (order == NULL || !is_netlink(fd)) return 0;
  if (sscanf(order, "%d %15s %d %d %7s", &number, name, &error, &times, when) < 4) return 0;
  if (strcmp(name, call) != 0) return 0;
  if (number != current) {
    current = number;
    left = times;
  }
  *late = strcmp(when, "late") == 0;
  return left > 0 ? error : 0;
}

static ssize_t failed(int error) {
  left--;
  errno = error;
  return -1;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
  int late = 0;
  const int error = fault("sendmsg", fd, &late);
  return error != 0 ? failed(error) : real(fd, message, flags);
}

/* One datagram is lost at a time: what else is there is told afterwards. */
int recvmmsg(int fd, struct mmsghdr *messages, unsigned int most, int flags,
             struct timespec *timeout) {
  int (*real)(int, struct mmsghdr *, unsigned int, int, struct timespec *) =
      dlsym(RTLD_NEXT, "recvmmsg");
  int late = 0;
  const int error = fault("recvmmsg", fd, &late);
  if (error != 0 && !late) return (int)failed(error);
  const int count = real(fd, messages, error != 0 ? 1 : most, flags, timeout);
  if (error == 0 || count < 0) return count;
  usleep(500 * 1000); /* what else is on its way is in the queue then, as behind an overrun */
  return (int)failed(error);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
  int late = 0;
  const int error = fault("recvmsg", fd, &late);
  if (error != 0 && !late) return failed(error);
  const ssize_t size = real(fd, message, flags);
  if (error == 0 || size < 0) return size;
  usleep(500 * 1000);
  return failed(error);
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
  int (*real)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");
  int late = 0;
  const int error = count == 1 ? fault("poll", fds[0].fd, &late) : 0;
  return error != 0 ? (int)failed(error) : real(fds, count, timeout);
}
