-- Compare-and-set of one target: state, plan, history and publication, or nothing.
-- KEYS: state, plan, history; where they are on this server too: due, targets
-- ARGV: 1 revision expected ("0": none stored)   2 new state   3 plan message ("": unchanged)
--       4 channel   5 PUBLISH or SPUBLISH   6 new revision   7 entries of history to keep
--       8 retention in ms   9 Redis time that all of it was made for, in us ("0": any)
--       10 target   11 its next expiry in ms ("": none)   12… new entries of history
-- Returns 1, or what is stored ("" for nothing) when the revision has moved, or while that time is
-- still to come: it was a guess, and by a wrong one a lease would end too early.
local stored = redis.call('GET', KEYS[1])
local rev = stored and string.match(stored, '^{"rev":(%d+),') or '0'
local time = redis.call('TIME')
if rev ~= ARGV[1] or tonumber(ARGV[9]) > time[1] * 1000000 + time[2] then
  return stored or ''
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[8])
for i = 12, #ARGV do
  -- The revision as the id: a reader of a plan finds its entries at once. The fallback is for
  -- a history that is ahead of its state, as after a partial restore.
  local id = ARGV[6] .. '-' .. (i - 12)
  local added = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], id, 'entry', ARGV[i])
  if type(added) == 'table' and added.err then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'entry', ARGV[i])
  end
end
if #ARGV >= 12 then
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
if KEYS[4] then
  if ARGV[11] ~= '' then
    redis.call('ZADD', KEYS[4], ARGV[11], ARGV[10])
  else
    redis.call('ZREM', KEYS[4], ARGV[10])
  end
  redis.call('ZADD', KEYS[5], math.floor(ARGV[9] / 1000), ARGV[10])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[8])
  redis.call(ARGV[5], ARGV[4], ARGV[3])
end
return 1
