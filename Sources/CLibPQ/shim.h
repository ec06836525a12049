#pragma once
#include <libpq-fe.h>
// Not in Swift's Glibc module; a wait for libpq's socket needs it to be woken.
#include <sys/eventfd.h>
