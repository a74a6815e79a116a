// Instance is the program whose agents tests/reliability disturbs; what it does is said in
// tests/reliability/parts/languages.py.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"upshift.example/upshift"
	"upshift.example/upshift/internal/following"
)

func main() {
	if len(os.Args) < 5 {
		log.Fatal("instance agent URL SERVICE OUTPUT INSTANCE... | instance application URL KIND SLOW_S OUTPUT")
	}
	if seconds, err := strconv.ParseFloat(os.Getenv("UPSHIFT_TEST_RESYNC_S"), 64); err == nil && seconds > 0 {
		following.ResyncMs = seconds * 1000
	}
	if os.Args[1] == "agent" {
		agents(os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	} else {
		application(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	}
}

// monotonic is CLOCK_MONOTONIC, one for all processes of a machine.
func monotonic() float64 {
	var now syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0)
	return float64(now.Sec) + float64(now.Nsec)/1e9
}

type output struct {
	mu   sync.Mutex
	file *os.File
}

func open(path string) *output {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	return &output{file: file}
}

func (o *output) write(line map[string]any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, _ := json.Marshal(line)
	_, _ = o.file.Write(append(text, '\n'))
}

func start(config upshift.Config) *upshift.Agent {
	agent, err := upshift.Start(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	return agent
}

func agents(url, service, path string, instances []string) {
	lines := open(path)
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	var secrets []string
	if text := os.Getenv("UPSHIFT_SECRETS"); text != "" {
		secrets = strings.Split(text, ",")
	}
	for _, instance := range instances {
		start(upshift.Config{RedisURL: url, Service: service, Secrets: secrets,
			Attributes: map[string]string{"service.instance.id": instance},
			Driver: upshift.DriverFunc(func(decision upshift.Decision) error {
				line := map[string]any{"instance": instance, "at_s": monotonic(), "hz": decision.Hz, "lease": nil}
				if decision.Lease != "" {
					line["lease"] = decision.Lease
				}
				lines.write(line)
				return nil
			})})
	}
	<-terminated
}

func application(url, kind, slow, path string) {
	lines := open(path)
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	seconds, _ := strconv.ParseFloat(slow, 64)
	var agent *upshift.Agent
	longestCall := time.Duration(0)
	if kind != "none" {
		began := time.Now()
		agent = start(upshift.Config{RedisURL: url, Service: "checkout",
			Driver: upshift.DriverFunc(func(decision upshift.Decision) error {
				lines.write(map[string]any{"hz": decision.Hz, "at_s": monotonic()})
				switch {
				case decision.Hz == 19:
				case kind == "raises":
					return errors.New("no permission to profile")
				case kind == "hangs":
					select {}
				default:
					time.Sleep(time.Duration(seconds * float64(time.Second)))
				}
				return nil
			})})
		longestCall = time.Since(began)
		for !agent.Connected() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	lines.write(map[string]any{"ready": true})
	longestStall := time.Duration(0)
	for {
		select {
		case <-terminated:
			lines.write(map[string]any{"stall_s": longestStall.Seconds(), "call_s": longestCall.Seconds()})
			return
		default:
		}
		began := time.Now()
		time.Sleep(time.Millisecond)
		longestStall = max(longestStall, time.Since(began)-time.Millisecond)
		if agent != nil {
			woke := time.Now()
			_, _, _ = agent.Status(), agent.Decisions(), agent.Connected()
			longestCall = max(longestCall, time.Since(woke))
		}
	}
}
