-- Compare-and-set of one target: state, plan, history and publication, or nothing.
-- KEYS: state, plan, history
-- ARGV: 1 revision expected ("0": none stored)   2 new state   3 plan message ("": unchanged)
--       4 channel   5 PUBLISH or SPUBLISH   6 new revision   7 entries of history to keep
--       8 retention in ms   9… new entries of history
-- Returns 1, or 0 when the revision has moved.
local stored = redis.call('GET', KEYS[1])
local rev = stored and string.match(stored, '^{"rev":(%d+),') or '0'
if rev ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[8])
for i = 9, #ARGV do
  -- The revision as the id: a reader of a plan finds its entries at once. The fallback is for
  -- a history that is ahead of its state, as after a partial restore.
  local id = ARGV[6] .. '-' .. (i - 9)
  local added = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], id, 'entry', ARGV[i])
  if type(added) == 'table' and added.err then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'entry', ARGV[i])
  end
end
if #ARGV >= 9 then
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[8])
  redis.call(ARGV[5], ARGV[4], ARGV[3])
end
return 1
