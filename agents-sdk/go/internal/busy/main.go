// Busy is the program that tests/sdks boosts: it keeps one core busy, and pushes its windows.
package main

import (
	"context"
	"log"
	"math"
	"os/signal"
	"syscall"
	"time"

	"upshift.example/upshift"
	"upshift.example/upshift/pprofdriver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	agent, err := upshift.Start(ctx, upshift.Config{
		Driver: pprofdriver.New(pprofdriver.Config{Window: 2 * time.Second})})
	if err != nil {
		log.Fatal(err)
	}
	x := 1.0
	for ctx.Err() == nil {
		for range 1_000_000 {
			x = math.Sqrt(x + 1)
		}
	}
	ending, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	_ = agent.Stop(ending)
}
