/* The C interface to the store: libxenstore.so.4, as programs for Xen have been linked to it since 4.17.
 *
 * Unless it says otherwise, a function that returns a pointer or a boolean tells failure by NULL or false and errno;
 * what it returns by pointer is one block, to be given to free(). A handle may be used by several threads at once. */
#ifndef XYLEM_XENSTORE_H
#define XYLEM_XENSTORE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XBT_NULL 0
#define XS_UNWATCH_FILTER (1UL << 2) /* for xs_open: no event of a watch comes after its xs_unwatch */

#define XS_PERM_NONE 0x00
#define XS_PERM_READ 0x01
#define XS_PERM_WRITE 0x02

struct xs_handle;
typedef uint32_t xs_transaction_t;
struct xs_permissions {
    unsigned int id;    /* a domain */
    unsigned int perms; /* XS_PERM_ */
};

/* To the daemon's socket ($XENSTORED_PATH, $XENSTORED_RUNDIR/socket, /run/xenstored/socket), else by the kernel. */
struct xs_handle *xs_open(unsigned long flags);
void xs_close(struct xs_handle *handle); /* NULL is fine */
/* For a child after fork(): frees the handle without a word to the daemon. */
void xs_daemon_destroy_postfork(struct xs_handle *handle);

/* Older names of the same. */
struct xs_handle *xs_daemon_open(void);
struct xs_handle *xs_domain_open(void);
struct xs_handle *xs_daemon_open_readonly(void);
void xs_daemon_close(struct xs_handle *handle);

/* Nodes. The value that xs_read returns has a zero byte behind it, which `len` does not count. */
char **xs_directory(struct xs_handle *handle, xs_transaction_t transaction, const char *path, unsigned int *count);
void *xs_read(struct xs_handle *handle, xs_transaction_t transaction, const char *path, unsigned int *len);
bool xs_write(struct xs_handle *handle, xs_transaction_t transaction, const char *path, const void *data,
              unsigned int len);
bool xs_mkdir(struct xs_handle *handle, xs_transaction_t transaction, const char *path);
bool xs_rm(struct xs_handle *handle, xs_transaction_t transaction, const char *path);
struct xs_permissions *xs_get_permissions(struct xs_handle *handle, xs_transaction_t transaction, const char *path,
                                          unsigned int *count);
bool xs_set_permissions(struct xs_handle *handle, xs_transaction_t transaction, const char *path,
                        struct xs_permissions *permissions, unsigned int count);

/* Transactions. xs_transaction_end fails with EAGAIN where others interfered. */
xs_transaction_t xs_transaction_start(struct xs_handle *handle);
bool xs_transaction_end(struct xs_handle *handle, xs_transaction_t transaction, bool abort);

/* Watches. An event is path and token. xs_fileno is readable when there may be one; then call xs_check_watch until it
 * fails with EAGAIN. xs_read_watch waits. */
bool xs_watch(struct xs_handle *handle, const char *path, const char *token);
bool xs_unwatch(struct xs_handle *handle, const char *path, const char *token);
int xs_fileno(struct xs_handle *handle);
char **xs_check_watch(struct xs_handle *handle);
char **xs_read_watch(struct xs_handle *handle, unsigned int *count);

/* Domains. */
bool xs_introduce_domain(struct xs_handle *handle, unsigned int domid, unsigned long mfn, unsigned int port);
bool xs_set_target(struct xs_handle *handle, unsigned int domid, unsigned int target);
bool xs_resume_domain(struct xs_handle *handle, unsigned int domid);
bool xs_release_domain(struct xs_handle *handle, unsigned int domid);
bool xs_is_domain_introduced(struct xs_handle *handle, unsigned int domid);
char *xs_get_domain_path(struct xs_handle *handle, unsigned int domid);
/* -1 if the domain offers none. */
int xs_suspend_evtchn_port(int domid);

/* The daemon itself. */
char *xs_control_command(struct xs_handle *handle, const char *command, void *data, unsigned int len);
char *xs_debug_command(struct xs_handle *handle, const char *command, void *data, unsigned int len);
bool xs_restrict(struct xs_handle *handle, unsigned domid); /* always fails */

/* Without a handle. */
bool xs_path_is_subpath(const char *parent, const char *child);
const char *xs_daemon_rundir(void);
const char *xs_daemon_socket(void);
const char *xs_daemon_socket_ro(void);
bool xs_write_all(int fd, const void *data, unsigned int len);
bool xs_strings_to_perms(struct xs_permissions *permissions, unsigned int count, const char *strings);

#ifdef __cplusplus
}
#endif

#endif
