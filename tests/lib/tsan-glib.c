/* SPDX-License-Identifier: Apache-2.0 */
/* GLib's locks are made of futexes, which ThreadSanitizer does not see: whatever they protect would
 * look like a race. In builds with ThreadSanitizer these stand before GLib's own functions, call
 * them, and say who waited for whom. */
#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

const char *__tsan_default_suppressions(void);

/* Inside g_async_queue_pop(), before we can say whom it waited for, it frees the node that the
 * other thread made. */
const char *
__tsan_default_suppressions(void)
{
    return "race:g_queue_pop_tail\n";
}

/* The function of the same name that comes after this program: GLib's. Libraries that lock
 * something while they are loaded call before our constructors have run. */
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next_##name;                                                          \
    static void __attribute__((constructor)) find_##name(void)                                     \
    {                                                                                              \
        *(void **)&next_##name = dlsym(RTLD_NEXT, #name);                                          \
    }
#define GLIBS(name) (next_##name != NULL ? next_##name : (find_##name(), next_##name))

NEXT(g_mutex_lock)
NEXT(g_mutex_trylock)
NEXT(g_mutex_unlock)
NEXT(g_cond_wait)
NEXT(g_cond_wait_until)
NEXT(g_async_queue_push)
NEXT(g_async_queue_pop)
NEXT(g_async_queue_try_pop)
NEXT(g_async_queue_timeout_pop)
NEXT(g_atomic_ref_count_dec)
NEXT(g_atomic_rc_box_release)
NEXT(g_atomic_rc_box_release_full)

void
g_mutex_lock(GMutex *mutex)
{
    GLIBS(g_mutex_lock)(mutex);
    __tsan_acquire(mutex);
}

gboolean
g_mutex_trylock(GMutex *mutex)
{
    gboolean locked = GLIBS(g_mutex_trylock)(mutex);

    if (locked) {
        __tsan_acquire(mutex);
    }
    return locked;
}

void
g_mutex_unlock(GMutex *mutex)
{
    __tsan_release(mutex);
    GLIBS(g_mutex_unlock)(mutex);
}

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    __tsan_release(mutex);
    GLIBS(g_cond_wait)(cond, mutex);
    __tsan_acquire(mutex);
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    gboolean in_time;

    __tsan_release(mutex);
    in_time = GLIBS(g_cond_wait_until)(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return in_time;
}

void
g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    __tsan_release(queue);
    GLIBS(g_async_queue_push)(queue, data);
}

gpointer
g_async_queue_pop(GAsyncQueue *queue)
{
    gpointer data = GLIBS(g_async_queue_pop)(queue);

    __tsan_acquire(queue);
    return data;
}

gpointer
g_async_queue_try_pop(GAsyncQueue *queue)
{
    gpointer data = GLIBS(g_async_queue_try_pop)(queue);

    __tsan_acquire(queue);
    return data;
}

gpointer
g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout_us)
{
    gpointer data = GLIBS(g_async_queue_timeout_pop)(queue, timeout_us);

    __tsan_acquire(queue);
    return data;
}

/* Whoever takes the last reference has seen what all others did before they gave up theirs. */
gboolean
g_atomic_ref_count_dec(gatomicrefcount *count)
{
    __tsan_release(count);
    __tsan_acquire(count);
    return GLIBS(g_atomic_ref_count_dec)(count);
}

/* Whoever frees the box has seen what all others did with it. */
void
g_atomic_rc_box_release(gpointer box)
{
    __tsan_release(box);
    __tsan_acquire(box);
    GLIBS(g_atomic_rc_box_release)(box);
}

void
g_atomic_rc_box_release_full(gpointer box, GDestroyNotify clear)
{
    __tsan_release(box);
    __tsan_acquire(box);
    GLIBS(g_atomic_rc_box_release_full)(box, clear);
}
