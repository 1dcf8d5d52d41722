/* Starts the program that lies beside it with the C library and the loader that lie there too, whatever the system has.
 *
 * A program names its loader by an absolute path, so one that is unpacked anywhere cannot name its own: this one, which is
 * static and needs none, finds the folder that it lies in and starts loader and program by their places there.
 *
 * LIBRARIES   the folder of loader, libraries and program, seen from the launcher's own folder
 * ARGUMENT    an argument put before those that were given; may be left out
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *const certificates[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, Arch: what the libraries expect */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Amazon Linux, Fedora, Red Hat */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",
};

static void name_certificates(void) {
  for (size_t i = 0; i < sizeof certificates / sizeof *certificates; ++i) {
    if (access(certificates[i], R_OK) != 0) continue;
    if (i > 0) setenv("SSL_CERT_FILE", certificates[i], 0);
    return;
  }
}

/* The launcher's folder; /proc may not be there. */
static int find_folder(char *folder) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length > 0) {
    path[length] = '\0';
  } else {
    const char *started = (const char *)getauxval(AT_EXECFN);
    if (started == NULL || strlen(started) >= sizeof path) return -1;
    strcpy(path, started);
  }
  if (realpath(path, folder) == NULL) return -1;
  *strrchr(folder, '/') = '\0';
  return 0;
}

int main(int count, char **arguments) {
  char folder[PATH_MAX], libraries[PATH_MAX * 2], loader[PATH_MAX * 3], program[PATH_MAX * 3];
  if (find_folder(folder) != 0) {
    fprintf(stderr, "millrace: its own folder cannot be found: %s\n", strerror(errno));
    return 127;
  }
  snprintf(libraries, sizeof libraries, "%s/%s", folder, LIBRARIES);
  snprintf(loader, sizeof loader, "%s/ld-linux-x86-64.so.2", libraries);
  snprintf(program, sizeof program, "%s/millrace", libraries);
  char **all = calloc((size_t)count + 9, sizeof *all);
  if (all == NULL) return 127;
  int next = 0;
  all[next++] = loader;
  all[next++] = "--inhibit-cache";
  all[next++] = "--library-path";
  all[next++] = libraries;
  all[next++] = "--argv0";
  all[next++] = "millrace";
  all[next++] = program;
#ifdef ARGUMENT
  all[next++] = ARGUMENT;
#endif
  for (int i = 1; i < count; ++i) all[next++] = arguments[i];
  name_certificates();
  execv(loader, all);
  fprintf(stderr, "millrace: %s cannot be started: %s\n", loader, strerror(errno));
  return 127;
}
