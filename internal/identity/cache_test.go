package identity

import (
	"sync"
	"testing"
	"time"
)

var cacheStart = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

func TestCacheLife(t *testing.T) {
	c := newCache[string, int](8)
	c.put("a", 1, cacheStart.Add(time.Second), c.version())
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {999 * time.Millisecond, true}, {time.Second, false}, {time.Hour, false}} {
		if _, ok := c.get("a", cacheStart.Add(tt.after)); ok != tt.want {
			t.Errorf("after %v: %t", tt.after, ok)
		}
	}
}

func TestCacheIsBoundedAndKeepsTheLatest(t *testing.T) {
	const size = 8
	c := newCache[int, int](size)
	for i := range 1000 {
		c.put(i, i, cacheStart.Add(time.Second), c.version())
		if n := len(c.young) + len(c.old); n > size {
			t.Fatalf("%d values are held, want at most %d", n, size)
		}
		for j := max(0, i-size/2+1); j <= i; j++ {
			if v, ok := c.get(j, cacheStart); !ok || v != j {
				t.Fatalf("after %d, %d is forgotten", i, j)
			}
		}
	}
}

func TestCacheReplaces(t *testing.T) {
	c := newCache[int, string](4)
	for i := range 4 {
		c.put(i, "old", cacheStart.Add(time.Second), c.version())
	}
	c.put(0, "new", cacheStart.Add(2*time.Second), c.version())
	if v, ok := c.get(0, cacheStart.Add(time.Second)); !ok || v != "new" {
		t.Errorf("got %q, %t", v, ok)
	}
}

// TestCacheForgets: what was loaded before a change never comes back after it.
func TestCacheForgets(t *testing.T) {
	for name, forget := range map[string]func(*cache[string, int]){
		"drop":  func(c *cache[string, int]) { c.drop("a") },
		"clear": func(c *cache[string, int]) { c.clear() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache[string, int](2)
			c.put("a", 1, cacheStart.Add(time.Second), c.version())
			c.put("b", 1, cacheStart.Add(time.Second), c.version())
			loading := c.version()
			forget(c)
			c.put("a", 1, cacheStart.Add(time.Second), loading)
			if _, ok := c.get("a", cacheStart); ok {
				t.Error("the value is still there")
			}
			c.put("a", 2, cacheStart.Add(time.Second), c.version())
			if v, ok := c.get("a", cacheStart); !ok || v != 2 {
				t.Errorf("the new value is not: %d, %t", v, ok)
			}
		})
	}
}

func TestCacheBearsManyUsers(t *testing.T) {
	c := newCache[int, int](16)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				c.put(i%40, i%40, cacheStart.Add(time.Second), c.version())
				if v, ok := c.get(i%40, cacheStart); ok && v != i%40 {
					t.Errorf("%d is under %d", v, i%40)
				}
				if i%100 == 0 {
					c.clear()
				}
			}
		})
	}
	wg.Wait()
}
