/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

/* How often memory was allocated, by anyone in the process, libraries included. Include it in one
 * file of a program: it takes the place of malloc(), or is told by the sanitizer that has. */

static _Atomic unsigned long n_allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATIONS_BY_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATIONS_BY_SANITIZER 1
#endif

#ifdef ALLOCATIONS_BY_SANITIZER

int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));

static void
count_allocation(const volatile void *memory, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
}

static void
ignore_free(const volatile void *memory)
{
}

static void
allocations_watch(void)
{
    g_assert_cmpint(__sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free),
                    !=,
                    0);
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *
malloc(size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_realloc(memory, size);
}

static void
allocations_watch(void)
{
}

#endif
