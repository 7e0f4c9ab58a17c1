/*
 * Reads the control page of a live link with Debian's own header of libxenvchan (xen/io/libxenvchan.h)
 * and prints its fields. It maps the page through the loopback hypervisor's hypercall socket, as any
 * process of the domain may: argv = socket, domid of the granting domain, ring-ref.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <xen/xen.h>
#include <xen/io/libxenvchan.h>

/* addon/hypervisor/loopback/protocol.h */
struct map_request {
    uint32_t operation, peer, count, access, handle, port, notify_offset, notify_port, ref;
};

int main(int argc, char **argv) {
    if (argc != 4) {
        return 2;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        return 1;
    }
    struct map_request request = {.operation = 3,
                                  .peer = (uint32_t)atoi(argv[2]),
                                  .count = 1,
                                  .notify_offset = UINT32_MAX,
                                  .ref = (uint32_t)atoi(argv[3])};
    if (send(fd, &request, sizeof request, 0) != sizeof request) {
        perror("send");
        return 1;
    }
    uint32_t response[64];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {response, sizeof response};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    if (recvmsg(fd, &message, 0) < 16 || response[0] != 0 || CMSG_FIRSTHDR(&message) == NULL) {
        fprintf(stderr, "map refused: %u\n", response[0]);
        return 1;
    }
    int pages;
    memcpy(&pages, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof pages);
    const struct vchan_interface *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, pages, 0);
    if (page == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    printf("{\"leftOrder\":%u,\"rightOrder\":%u,\"cliLive\":%u,\"srvLive\":%u,"
           "\"leftProd\":%u,\"leftCons\":%u,\"rightProd\":%u,\"rightCons\":%u,\"firstGrant\":%u}\n",
           page->left_order, page->right_order, page->cli_live, page->srv_live, page->left.prod,
           page->left.cons, page->right.prod, page->right.cons, page->grants[0]);
    return 0;
}
